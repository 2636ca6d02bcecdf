// Package codectest is the contract that every protocol passes: conversation
// files, the pair test and the split test.
package codectest
