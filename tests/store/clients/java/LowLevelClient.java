// SPDX-License-Identifier: BSD-3-Clause
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.http.HttpHost;
import org.apache.http.util.EntityUtils;
import org.elasticsearch.client.Request;
import org.elasticsearch.client.Response;
import org.elasticsearch.client.ResponseException;
import org.elasticsearch.client.ResponseListener;
import org.elasticsearch.client.RestClient;

/** Elasticsearch's low-level Java client, unmodified, against the store at the address that is given. */
public class LowLevelClient {
    private static RestClient client;

    private static String ask(String method, String path, String body, int status) throws Exception {
        Request request = new Request(method, path);
        if (body != null)
            request.setJsonEntity(body);
        Response response;
        try {
            response = client.performRequest(request);
        } catch (ResponseException failure) {
            response = failure.getResponse();
        }
        String text = response.getEntity() == null ? "" : EntityUtils.toString(response.getEntity());
        if (response.getStatusLine().getStatusCode() != status)
            throw new AssertionError(method + " " + path + ": " + response.getStatusLine() + " " + text);
        return text;
    }

    private static void contains(String text, String part) {
        if (!text.contains(part))
            throw new AssertionError(part + " is not in " + text);
    }

    public static void main(String[] args) throws Exception {
        client = RestClient.builder(HttpHost.create(args[0])).setCompressionEnabled(true).build();
        try {
            contains(ask("GET", "/", null, 200), "You Know, for Search");
            ask("PUT", "/java-client", "{\"mappings\":{\"properties\":{\"k\":{\"type\":\"keyword\"}}}}", 200);
            StringBuilder bulk = new StringBuilder();
            for (int n = 0; n < 1000; n++)
                bulk.append("{\"index\":{\"_id\":\"").append(n).append("\"}}\n{\"k\":\"k").append(n % 5).append("\",\"n\":").append(n).append("}\n");
            contains(ask("POST", "/java-client/_bulk?refresh=true", bulk.toString(), 200), "\"errors\":false");
            contains(ask("POST", "/java-client/_search", "{\"query\":{\"term\":{\"k\":\"k3\"}},\"size\":1}", 200), "\"value\":200");
            contains(ask("GET", "/java-client/_doc/999", null, 200), "\"n\":999");
            contains(ask("GET", "/java-client/_doc/1000", null, 404), "\"found\":false");
            contains(ask("POST", "/java-client/_search", "{\"query\":{\"bogus\":{}}}", 400), "parsing_exception");
            ask("HEAD", "/java-client", null, 200);
            many();
            contains(ask("DELETE", "/java-client", null, 200), "\"acknowledged\":true");
        } finally {
            client.close();
        }
        System.out.println("elasticsearch-rest-client: all is well");
    }

    /** Many requests at once over the client's own connections. */
    private static void many() throws Exception {
        CountDownLatch left = new CountDownLatch(200);
        AtomicInteger good = new AtomicInteger();
        for (int n = 0; n < 200; n++)
            client.performRequestAsync(new Request("GET", "/java-client/_doc/" + n), new ResponseListener() {
                @Override
                public void onSuccess(Response response) {
                    good.incrementAndGet();
                    left.countDown();
                }

                @Override
                public void onFailure(Exception failure) {
                    left.countDown();
                }
            });
        if (!left.await(60, TimeUnit.SECONDS) || good.get() != 200)
            throw new AssertionError(good.get() + " of 200 requests at once were answered");
    }
}
