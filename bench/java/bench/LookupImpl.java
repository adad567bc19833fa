// SPDX-License-Identifier: BSD-3-Clause
package bench;

import com.qq.tars.common.support.Holder;
import com.qq.tars.support.query.prx.EndpointF;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Answers from memory: a map from object to its ten endpoints. */
public class LookupImpl implements Lookup {
    private static final Map<String, List<EndpointF>> objects = new HashMap<>();

    static {
        List<EndpointF> ten = new ArrayList<>();
        for (int i = 0; i < 10; i++)
            ten.add(new EndpointF("127.0.0." + (i + 1), 20000 + i, 60000, 1, 0, -1, -1, "", 0, 0, 100, 0));
        objects.put("Bench.TenServer.TenObj", ten);
    }

    @Override
    public int findObjectById4Any(String id, Holder<List<EndpointF>> activeEp,
                                  Holder<List<EndpointF>> inactiveEp) {
        activeEp.setValue(objects.getOrDefault(id, Collections.emptyList()));
        inactiveEp.setValue(Collections.emptyList());
        return 0;
    }
}
