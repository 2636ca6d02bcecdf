//go:build unix

package main

func playRot(w *world) error { return nil }
