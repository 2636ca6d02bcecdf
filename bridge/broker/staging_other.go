//go:build !linux

package broker

// staging is nothing here: batches are collected on the disk.
type staging struct{}

func (e *embedded) stage([]string)    {}
func (e *embedded) unstage([]string)  {}
func (e *embedded) staged() []string  { return nil }
func (e *embedded) dropForeignLinks() {}
