// SPDX-License-Identifier: BSD-3-Clause

package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"interop/Interop"

	"github.com/TarsCloud/TarsGo/tars"
)

// TarsGo tells nobody that the connection is lost with his call: he waits for the time-out. It is less
// than the time after which a server that crashed is started again, see docs/tarscli.md.
const (
	callers   = 4
	pause     = 5 * time.Millisecond
	timeoutMs = 1000
)

type counter struct {
	lock          sync.Mutex
	seen          map[int32]bool
	calls, failed int
}

// Four callers ask `who` again and again until SIGTERM. Prints "sees NAME PID" once for each server that
// answers, "failed WALL_MS CODE MESSAGE" for each call that fails, and "calls N failed M" at the end.
func steady(object, locator, refresh string) {
	interval, _ := strconv.Atoi(refresh)
	proxy := tars.NewServantProxy(communicator(locator, interval), object)
	proxy.TarsSetTimeout(timeoutMs)
	var over int32
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		atomic.StoreInt32(&over, 1)
	}()
	count := counter{seen: map[int32]bool{}}
	var all sync.WaitGroup
	for i := 0; i < callers; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			types := new(Interop.Types)
			types.SetServant(proxy)
			for atomic.LoadInt32(&over) == 0 {
				var pid int32
				name, err := types.Who(&pid)
				count.add(name, pid, err)
				time.Sleep(pause)
			}
		}()
	}
	all.Wait()
	fmt.Printf("calls %d failed %d\n", count.calls, count.failed)
}

func (c *counter) add(name string, pid int32, err error) {
	c.lock.Lock()
	defer c.lock.Unlock()
	c.calls++
	if err != nil {
		c.failed++
		fmt.Printf("failed %d %d %s\n", time.Now().UnixMilli(), tars.GetErrorCode(err), err)
	} else if !c.seen[pid] {
		c.seen[pid] = true
		fmt.Printf("sees %s %d\n", name, pid)
	}
}
