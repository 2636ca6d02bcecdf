package main

// exclusions are folded ids of the suite that are not looked for, and why.
func exclusions() map[string]string {
	return map[string]string{}
}
