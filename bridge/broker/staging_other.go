//go:build !linux

package broker

// memoryFolder is a file system in memory with room for batches, or "".
func memoryFolder() string { return "" }
