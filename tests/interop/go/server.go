// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"os"
	"sync/atomic"
	"time"

	"interop/Interop"

	"github.com/TarsCloud/TarsGo/tars"
)

// NAME in the environment is what `who` answers.
func serve() {
	config := tars.GetServerConfig()
	new(Interop.Types).AddServant(&servant{}, config.App+"."+config.Server+".TypesObj")
	tars.Run()
}

type servant struct {
	count int64
}

func (s *servant) Mirror(value *Interop.AllTypes, back *Interop.AllTypes) (Interop.AllTypes, error) {
	*back = *value
	return *value, nil
}

func (s *servant) Scalars(b bool, c int8, sh int16, i int32, l int64, f float32, d float64, str string,
	colour Interop.Colour, ub uint8, us uint16, ui uint32, rb *bool, rc *int8, rs *int16, ri *int32, rl *int64,
	rf *float32, rd *float64, rstr *string, rcolour *Interop.Colour, rub *uint8, rus *uint16,
	rui *uint32) (int32, error) {
	*rb, *rc, *rs, *ri, *rl, *rf, *rd = b, c, sh, i, l, f, d
	*rstr, *rcolour, *rub, *rus, *rui = str, colour, ub, us, ui
	return 0, nil
}

func (s *servant) Containers(blob []int8, strs []string, words map[string]string, named []Interop.Named,
	paths map[string][]Interop.Point, at *Interop.Point, rblob *[]int8, rstrs *[]string, rwords *map[string]string,
	rnamed *[]Interop.Named, rpaths *map[string][]Interop.Point, rat *Interop.Point) (int32, error) {
	*rblob, *rstrs, *rwords, *rnamed, *rpaths, *rat = blob, strs, words, named, paths, *at
	return 0, nil
}

func (s *servant) Fail(code int32, text string) (int32, error) {
	return 0, tars.Errorf(code, "%s", text)
}

func (s *servant) Slow(ms int32, slept *int32) (int32, error) {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	*slept = ms
	return 0, nil
}

func (s *servant) Poke(by int32) error {
	atomic.AddInt64(&s.count, int64(by))
	return nil
}

func (s *servant) Pokes() (int64, error) {
	return atomic.LoadInt64(&s.count), nil
}

func (s *servant) Who(pid *int32) (string, error) {
	*pid = int32(os.Getpid())
	if name := os.Getenv("NAME"); name != "" {
		return name, nil
	}
	return "go", nil
}
