// SPDX-License-Identifier: BSD-3-Clause
package interop;

import com.qq.tars.client.CommunicatorConfig;
import com.qq.tars.client.CommunicatorFactory;
import com.qq.tars.common.support.Holder;
import gen.interop.TypesPrx;
import java.io.PrintStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.Proxy;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * The TarsJava client that calls all the time: Steady OBJECT LOCATOR REFRESH_MS DATAPATH. Four
 * callers ask `who` again and again until SIGTERM. Prints "sees NAME PID" once for each server that
 * answers, "failed WALL_MS CODE MESSAGE" for each call that fails, and "calls N failed M" at the end.
 */
public final class Steady {
    private static final int CALLERS = 4;
    private static final int PAUSE_MS = 5;
    private static final PrintStream out = System.out;
    private final Set<Integer> seen = new HashSet<>();
    private long calls;
    private long failed;
    private volatile boolean over;

    private Steady() {}

    public static void main(String[] args) throws Exception {
        System.setOut(System.err); // the SDK prints, too
        CommunicatorConfig config = new CommunicatorConfig();
        config.setModuleName("Interop.Steady");
        config.setSyncInvokeTimeout(1000);
        config.setLocator(args[1]);
        config.setRefreshEndpointInterval(Integer.parseInt(args[2]));
        config.setDataPath(args[3]);
        TypesPrx proxy = CommunicatorFactory.getInstance().getCommunicator(config).stringToProxy(
            TypesPrx.class, args[0]);
        if (!Boolean.getBoolean("late")) refreshFromNowOn(proxy, Integer.parseInt(args[2]));
        Steady steady = new Steady();
        Thread[] callers = new Thread[CALLERS];
        for (int i = 0; i < CALLERS; i++) {
            callers[i] = new Thread(() -> steady.call(proxy));
            callers[i].start();
        }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            steady.over = true;
            try {
                for (Thread caller : callers) caller.join();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
            out.println("calls " + steady.calls + " failed " + steady.failed);
        }));
        for (Thread caller : callers) caller.join();
    }

    /**
     * TarsJava asks the registry for the first time up to 29 s later than its period says. So that a
     * test need not wait for that, its own task is started anew here; with -Dlate=true it is left.
     */
    private static void refreshFromNowOn(TypesPrx proxy, int ms) throws Exception {
        Object handler = Proxy.getInvocationHandler(proxy);
        Field task = handler.getClass().getDeclaredField("queryRefreshFuture");
        task.setAccessible(true);
        ((Future<?>) task.get(handler)).cancel(false);
        Constructor<?> refresher =
            Class.forName(handler.getClass().getName() + "$ServantNodeRefresher")
                .getDeclaredConstructor(handler.getClass());
        refresher.setAccessible(true);
        ScheduledExecutorService timer = Executors.newScheduledThreadPool(1, r -> {
            Thread thread = new Thread(r, "refresh");
            thread.setDaemon(true);
            return thread;
        });
        timer.scheduleAtFixedRate((Runnable) refresher.newInstance(handler), ms, ms,
                                  TimeUnit.MILLISECONDS);
    }

    private void call(TypesPrx proxy) {
        while (!over) {
            Holder<Integer> pid = new Holder<>();
            try {
                String name = proxy.who(pid);
                answered(name, pid.getValue());
            } catch (Exception e) {
                failed(e);
            }
            try {
                Thread.sleep(PAUSE_MS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    private synchronized void answered(String name, int pid) {
        calls++;
        if (seen.add(pid)) out.println("sees " + name + " " + pid);
    }

    private synchronized void failed(Exception e) {
        calls++;
        failed++;
        out.println("failed " + System.currentTimeMillis() + " -1 " + e);
    }
}
