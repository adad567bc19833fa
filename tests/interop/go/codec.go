// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"encoding/hex"
	"fmt"
	"os"

	"interop/Interop"

	"github.com/TarsCloud/TarsGo/tars/protocol/codec"
)

// One value a line on standard input: "encode" JSON -> hex, "decode" hex -> JSON.
func codecLines(mode string) {
	convert := decode
	if mode == "encode" {
		convert = encode
	}
	eachLine(func(line string) {
		if err := convert(line); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	})
}

func encode(line string) error {
	value, err := allTypes([]byte(line))
	if err != nil {
		return err
	}
	body := codec.NewBuffer()
	if err := value.WriteTo(body); err != nil {
		return err
	}
	fmt.Println(hex.EncodeToString(body.ToBytes()))
	return nil
}

func decode(line string) error {
	body, err := hex.DecodeString(line)
	if err != nil {
		return err
	}
	var value Interop.AllTypes
	if err := value.ReadFrom(codec.NewReader(body)); err != nil {
		return err
	}
	print(value)
	return nil
}
