package broker

import "syscall"

const (
	sharedMemory  = "/dev/shm"
	tmpfsMagic    = 0x01021994 // statfs(2)
	stagingMemory = 32 << 20   // two batches of the largest size and their files
)

// memoryFolder is a file system in memory with room for batches, or "".
func memoryFolder() string {
	var s syscall.Statfs_t
	if syscall.Statfs(sharedMemory, &s) != nil || s.Type != tmpfsMagic || int64(s.Bavail)*s.Bsize < stagingMemory {
		return ""
	}
	return sharedMemory
}
