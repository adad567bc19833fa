// SPDX-License-Identifier: BSD-3-Clause
import java.util.concurrent.CountDownLatch;
import org.codelibs.elasticsearch.runner.ElasticsearchClusterRunner;

/** One Elasticsearch 7.10 node in this process, until SIGTERM: RunElasticsearch PORT FOLDER. */
public class RunElasticsearch {
    public static void main(String[] args) throws Exception {
        var node = new ElasticsearchClusterRunner();
        node.onBuild((number, settings) -> settings.put("network.host", "127.0.0.1").put("http.port", args[0])
            .put("transport.port", "0").put("discovery.type", "single-node")
            .putList("node.roles", "master", "data", "ingest")
            .put("cluster.routing.allocation.disk.threshold_enabled", false));
        try {
            node.build(ElasticsearchClusterRunner.newConfigs().basePath(args[1]).numOfNode(1).useLogger());
        } catch (Throwable problem) {
            problem.printStackTrace();
            System.exit(1);
        }
        new CountDownLatch(1).await();
    }
}
