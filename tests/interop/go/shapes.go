// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"

	"interop/Demo"
)

// Prints an area.
func shapes(object string) {
	var value float64
	proxy := new(Demo.Shapes)
	communicator("", 0).StringToProxy(object, proxy)
	ret, err := proxy.Area([]Demo.Point{{X: 0, Y: 0}, {X: 2, Y: 0}, {X: 2, Y: 3}, {X: 0, Y: 3}}, &value)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("area %g returned %d\n", value, ret)
}
