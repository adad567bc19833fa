// SPDX-License-Identifier: BSD-3-Clause

// The TarsGo peer for AllTypes.tars, one program:
//
//	peer --config=FILE                         the server (an ordinary start-up file)
//	peer client OBJECT [LOCATOR]               calls that standard input asks for
//	peer steady OBJECT LOCATOR REFRESH_MS      the client that calls all the time
//	peer codec encode|decode                   AllTypes between JSON and bytes
//	peer shapes OBJECT                         calls the interface that docs/sdk.md begins with
package main

import (
	"os"

	"github.com/TarsCloud/TarsGo/tars"
	"github.com/TarsCloud/TarsGo/tars/util/rogger"
)

func main() {
	args := append(os.Args[1:], "", "", "", "")
	switch args[0] {
	case "client":
		client(args[1], args[2])
	case "steady":
		steady(args[1], args[2], args[3])
	case "codec":
		codecLines(args[1])
	case "shapes":
		shapes(args[1])
	default:
		serve()
	}
}

// communicator of a client: it asks the registry every `refresh` ms, once a minute if that is 0. The
// SDK's log would go to standard output.
func communicator(locator string, refresh int) *tars.Communicator {
	rogger.SetLevel(rogger.OFF)
	c := tars.NewCommunicator()
	if locator != "" {
		c.SetLocator(locator)
	}
	if refresh > 0 {
		c.Client.RefreshEndpointInterval = refresh
	}
	return c
}
