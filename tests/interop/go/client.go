// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"interop/Interop"

	"github.com/TarsCloud/TarsGo/tars"
	"github.com/TarsCloud/TarsGo/tars/protocol/codec"
	"github.com/TarsCloud/TarsGo/tars/protocol/res/requestf"
)

type caller struct {
	communicator *tars.Communicator
	object       string
	timeout      int
	oneWay       bool
	proxies      map[string]*tars.ServantProxy
}

// What is printed of a call that went well.
type answer struct {
	Ret interface{} `json:"ret,omitempty"`
	Out interface{} `json:"out"`
}

type failure struct {
	Error   int32  `json:"error"`
	Message string `json:"message"`
}

type none struct{}

// Reads "FUNCTION {arguments as JSON}" from standard input, one call a line, and prints one line
// {"ret":…,"out":{…}} or {"error":CODE,"message":"…"} for each. ":timeout 500", ":object NAME" and
// ":oneway 1" change what follows. REFRESH in the environment is how often it asks the registry, ms.
func client(object, locator string) {
	refresh, _ := strconv.Atoi(os.Getenv("REFRESH"))
	c := &caller{communicator: communicator(locator, refresh), object: object, timeout: 3000,
		proxies: map[string]*tars.ServantProxy{}}
	eachLine(func(line string) {
		if strings.HasPrefix(line, ":") {
			c.set(line[1:])
			return
		}
		result, err := c.call(line)
		if err != nil {
			print(failure{tars.GetErrorCode(err), err.Error()})
			return
		}
		print(result)
	})
}

func (c *caller) set(setting string) {
	name, value, _ := strings.Cut(setting, " ")
	number, _ := strconv.Atoi(value)
	switch name {
	case "object":
		c.object = value
	case "timeout":
		c.timeout = number
	case "oneway":
		c.oneWay = number != 0
	}
}

func (c *caller) proxy() *tars.ServantProxy {
	if c.proxies[c.object] == nil {
		c.proxies[c.object] = tars.NewServantProxy(c.communicator, c.object)
	}
	c.proxies[c.object].TarsSetTimeout(c.timeout)
	return c.proxies[c.object]
}

func (c *caller) call(line string) (*answer, error) {
	name, text, _ := strings.Cut(line, " ")
	in := []byte(text)
	if text == "" {
		in = []byte("{}")
	}
	types := new(Interop.Types)
	types.SetServant(c.proxy())
	switch {
	case c.oneWay && name == "poke":
		return c.pokeOneWay(in)
	case functions[name] != nil:
		return functions[name](types, in)
	case name == "ping":
		return c.raw("tars_ping", 0, nil)
	}
	return c.raw(name, 0, nil)
}

// raw makes a call that tars2go has no function for.
func (c *caller) raw(name string, packet byte, body []byte) (*answer, error) {
	err := c.proxy().TarsInvoke(context.Background(), packet, name, body, nil, nil, new(requestf.ResponsePacket))
	return &answer{Out: none{}}, err
}

func (c *caller) pokeOneWay(in []byte) (*answer, error) {
	var a struct {
		By int32 `json:"by"`
	}
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	body := codec.NewBuffer()
	if err := body.WriteInt32(a.By, 1); err != nil {
		return nil, err
	}
	return c.raw("poke", 1, body.ToBytes())
}

var functions = map[string]func(types *Interop.Types, in []byte) (*answer, error){
	"mirror": mirror, "scalars": scalars, "containers": containers, "fail": fail, "slow": slow, "poke": poke,
	"pokes": pokes, "who": who,
}

func mirror(types *Interop.Types, in []byte) (*answer, error) {
	var a struct {
		Value json.RawMessage `json:"value"`
	}
	var out struct {
		Back Interop.AllTypes `json:"back"`
	}
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	value, err := allTypes(a.Value)
	if err != nil {
		return nil, err
	}
	ret, err := types.Mirror(value, &out.Back)
	return &answer{ret, out}, err
}

func scalars(types *Interop.Types, in []byte) (*answer, error) {
	var a struct {
		B      bool
		C      int8
		S      int16
		I      int32
		L      int64
		F      float32
		D      float64
		Str    string
		Colour Interop.Colour
		Ub     uint8
		Us     uint16
		Ui     uint32
	}
	var out struct {
		B      bool           `json:"rb"`
		C      int8           `json:"rc"`
		S      int16          `json:"rs"`
		I      int32          `json:"ri"`
		L      int64          `json:"rl"`
		F      float32        `json:"rf"`
		D      float64        `json:"rd"`
		Str    string         `json:"rstr"`
		Colour Interop.Colour `json:"rcolour"`
		Ub     uint8          `json:"rub"`
		Us     uint16         `json:"rus"`
		Ui     uint32         `json:"rui"`
	}
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	ret, err := types.Scalars(a.B, a.C, a.S, a.I, a.L, a.F, a.D, a.Str, a.Colour, a.Ub, a.Us, a.Ui, &out.B, &out.C,
		&out.S, &out.I, &out.L, &out.F, &out.D, &out.Str, &out.Colour, &out.Ub, &out.Us, &out.Ui)
	return &answer{ret, out}, err
}

func containers(types *Interop.Types, in []byte) (*answer, error) {
	var a struct {
		Blob  []int8
		Strs  []string
		Words map[string]string
		Named []Interop.Named
		Paths map[string][]Interop.Point
		At    Interop.Point
	}
	var out struct {
		Blob  []int8                     `json:"rblob"`
		Strs  []string                   `json:"rstrs"`
		Words map[string]string          `json:"rwords"`
		Named []Interop.Named            `json:"rnamed"`
		Paths map[string][]Interop.Point `json:"rpaths"`
		At    Interop.Point              `json:"rat"`
	}
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	ret, err := types.Containers(a.Blob, a.Strs, a.Words, a.Named, a.Paths, &a.At, &out.Blob, &out.Strs, &out.Words,
		&out.Named, &out.Paths, &out.At)
	return &answer{ret, out}, err
}

func fail(types *Interop.Types, in []byte) (*answer, error) {
	var a struct {
		Code int32
		Text string
	}
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	ret, err := types.Fail(a.Code, a.Text)
	return &answer{ret, none{}}, err
}

func slow(types *Interop.Types, in []byte) (*answer, error) {
	var a struct{ Ms int32 }
	var out struct {
		Slept int32 `json:"slept"`
	}
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	ret, err := types.Slow(a.Ms, &out.Slept)
	return &answer{ret, out}, err
}

func poke(types *Interop.Types, in []byte) (*answer, error) {
	var a struct{ By int32 }
	if err := json.Unmarshal(in, &a); err != nil {
		return nil, err
	}
	return &answer{Out: none{}}, types.Poke(a.By)
}

func pokes(types *Interop.Types, _ []byte) (*answer, error) {
	ret, err := types.Pokes()
	return &answer{ret, none{}}, err
}

func who(types *Interop.Types, _ []byte) (*answer, error) {
	var out struct {
		Pid int32 `json:"pid"`
	}
	ret, err := types.Who(&out.Pid)
	return &answer{ret, out}, err
}

// allTypes reads JSON; members that it leaves out are at their defaults.
func allTypes(text []byte) (*Interop.AllTypes, error) {
	value := new(Interop.AllTypes)
	if err := value.Defaults.ReadFrom(codec.NewReader(nil)); err != nil {
		return nil, err
	}
	return value, json.Unmarshal(text, value)
}

func print(value interface{}) {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// eachLine of standard input.
func eachLine(do func(line string)) {
	in := bufio.NewReader(os.Stdin)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			do(line)
		}
		if err == io.EOF {
			return
		} else if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
