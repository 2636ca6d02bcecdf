//go:build linux

package broker

// HasMemory reports whether batches can be collected in memory here.
func HasMemory() bool {
	own, err := ownMemory(sharedMemory, true)
	if err != nil {
		return false
	}
	own.Close()
	return true
}
