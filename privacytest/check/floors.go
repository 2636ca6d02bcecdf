package main

import (
	"errors"
	"fmt"
)

func (r *result) floors(suite bool, top string) error {
	_ = top
	if len(r.needless) > 0 { return fmt.Errorf("needless %v", r.needless) }
	if r.lines == 0 { return errors.New("nothing was heard") }
	return nil
}
