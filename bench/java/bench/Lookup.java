// SPDX-License-Identifier: BSD-3-Clause
package bench;

import com.qq.tars.common.support.Holder;
import com.qq.tars.protocol.annotation.Servant;
import com.qq.tars.protocol.tars.annotation.TarsHolder;
import com.qq.tars.protocol.tars.annotation.TarsMethodParameter;
import com.qq.tars.support.query.prx.EndpointF;
import java.util.List;

/** The part of QueryF that is measured, as the generator declares it for a servant. */
@Servant
public interface Lookup {
    int findObjectById4Any(@TarsMethodParameter(name = "id") String id,
                           @TarsHolder(name = "activeEp") Holder<List<EndpointF>> activeEp,
                           @TarsHolder(name = "inactiveEp") Holder<List<EndpointF>> inactiveEp);
}
