import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.utils.AppInfoParser;

/** Drives kafka-clients (see ../README.md). What changed between versions is in Era.java, of which there are three. */
public final class Driver {
    static final long DEADLINE_MS = 40_000;
    private static final ObjectMapper JSON = new ObjectMapper();
    private static String bootstrap;

    private static byte[] fromBase64(JsonNode text) {
        return text.isNull() ? null : Base64.getDecoder().decode(text.asText());
    }

    static String toBase64(byte[] data) {
        return data == null ? null : Base64.getEncoder().encodeToString(data);
    }

    static Properties settings(String... pairs) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) settings.put(pairs[i], pairs[i + 1]);
        return settings;
    }

    private static Object produce(JsonNode request) throws Exception {
        Properties settings = settings("acks", "all", "compression.type", request.get("codec").asText(), "linger.ms", "20");
        List<Future<?>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (JsonNode each : request.get("records")) {
                byte[] key = fromBase64(each.get("k")), value = fromBase64(each.get("v"));
                Map.Entry<String, byte[]>[] headers = headers(each.get("h"));
                sent.add(producer.send(Era.record(
                    request.get("topic").asText(), request.get("partition").asInt(), each.path("t").asLong(), key, value, headers)));
            }
            for (Future<?> each : sent) each.get();
        }
        return null;
    }

    @SuppressWarnings("unchecked")
    private static Map.Entry<String, byte[]>[] headers(JsonNode pairs) {
        List<Map.Entry<String, byte[]>> headers = new ArrayList<>();
        for (JsonNode pair : pairs) {
            headers.add(new java.util.AbstractMap.SimpleEntry<>(pair.get(0).asText(), fromBase64(pair.get(1))));
        }
        return headers.toArray(new Map.Entry[0]);
    }

    private static Map<String, Object> shown(ConsumerRecord<byte[], byte[]> record) {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("p", record.partition());
        shown.put("o", record.offset());
        shown.put("k", toBase64(record.key()));
        shown.put("v", toBase64(record.value()));
        Era.show(record, shown);
        return shown;
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String group) {
        Properties settings = settings("group.id", group, "auto.offset.reset", "earliest", "enable.auto.commit", "false",
            "fetch.max.wait.ms", "100"); // close waits for the fetch in flight
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static List<Object> read(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<Object> records = new ArrayList<>();
        long until = System.currentTimeMillis() + DEADLINE_MS;
        while (records.size() < count) {
            for (ConsumerRecord<byte[], byte[]> record : Era.poll(consumer, 100)) {
                if (records.size() < count) records.add(shown(record));
            }
            if (System.currentTimeMillis() > until) {
                throw new IllegalStateException(records.size() + " of " + count + " records after " + DEADLINE_MS + " ms");
            }
        }
        return records;
    }

    /** Read from these offsets on. */
    private static Object readFrom(KafkaConsumer<byte[], byte[]> consumer, Map<TopicPartition, Long> offsets, int count) {
        consumer.assign(new ArrayList<>(offsets.keySet()));
        for (Map.Entry<TopicPartition, Long> at : offsets.entrySet()) consumer.seek(at.getKey(), at.getValue());
        return read(consumer, count);
    }

    private static List<TopicPartition> partitions(JsonNode request) {
        List<TopicPartition> partitions = new ArrayList<>();
        for (JsonNode p : request.get("partitions")) partitions.add(new TopicPartition(request.get("topic").asText(), p.asInt()));
        return partitions;
    }

    private static Object consume(JsonNode request) {
        Map<TopicPartition, Long> offsets = new HashMap<>();
        for (TopicPartition tp : partitions(request)) offsets.put(tp, 0L);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("unused")) {
            return readFrom(consumer, offsets, request.get("count").asInt());
        }
    }

    private static Object seek(JsonNode request) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("unused")) {
            Map<TopicPartition, Long> offsets =
                Era.offsetsForTimes(consumer, partitions(request), request.get("timestamp").asLong());
            return readFrom(consumer, offsets, request.get("count").asInt());
        }
    }

    private static Object take(JsonNode request) {
        String topic = request.get("topic").asText();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(request.get("group").asText())) {
            consumer.subscribe(Arrays.asList(topic));
            List<Object> records = read(consumer, request.get("count").asInt());
            Map<TopicPartition, OffsetAndMetadata> positions = new HashMap<>();
            for (Object record : records) {
                Map<?, ?> fields = (Map<?, ?>) record;
                positions.put(new TopicPartition(topic, (Integer) fields.get("p")), new OffsetAndMetadata((Long) fields.get("o") + 1));
            }
            consumer.commitSync(positions);
            return records;
        }
    }

    /** A group member in a thread of its own: an old consumer's poll blocks until the whole group has joined. */
    private static final class Member extends Thread implements ConsumerRebalanceListener {
        private final String topic, group;
        private final Map<String, Object> seen;
        private volatile TreeSet<Integer> held = new TreeSet<>();
        private volatile boolean leaving;
        private volatile Exception failure;

        Member(String topic, String group, Map<String, Object> seen) {
            this.topic = topic;
            this.group = group;
            this.seen = seen;
            start();
        }

        @Override
        public void run() {
            try (KafkaConsumer<byte[], byte[]> consumer = consumer(group)) {
                consumer.subscribe(Arrays.asList(topic), this);
                while (!leaving) {
                    for (ConsumerRecord<byte[], byte[]> record : Era.poll(consumer, 50)) {
                        synchronized (seen) {
                            seen.put(record.partition() + "/" + record.offset(), shown(record));
                        }
                    }
                }
            } catch (Exception problem) {
                failure = problem;
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            TreeSet<Integer> now = new TreeSet<>(held);
            for (TopicPartition tp : partitions) now.add(tp.partition());
            held = now;
        }

        @Override
        public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            TreeSet<Integer> now = new TreeSet<>(held);
            for (TopicPartition tp : partitions) now.remove(tp.partition());
            held = now;
        }

        void leave() throws InterruptedException {
            leaving = true;
            join();
        }
    }

    /** Wait until the members hold all partitions, each of them some; returns their shares. */
    private static List<TreeSet<Integer>> settle(List<Member> members, int partitions, long until) throws Exception {
        while (true) {
            List<TreeSet<Integer>> shares = new ArrayList<>();
            TreeSet<Integer> all = new TreeSet<>();
            int sum = 0;
            boolean everyone = true;
            for (Member member : members) {
                if (member.failure != null) throw member.failure;
                TreeSet<Integer> share = member.held;
                shares.add(share);
                all.addAll(share);
                sum += share.size();
                everyone &= !share.isEmpty();
            }
            if (everyone && sum == partitions && all.size() == partitions) return shares;
            if (System.currentTimeMillis() > until) throw new IllegalStateException("assignments after " + DEADLINE_MS + " ms: " + shares);
            Thread.sleep(20);
        }
    }

    private static Object group(JsonNode request) throws Exception {
        Map<String, Object> seen = new HashMap<>();
        Map<String, Object> result = new HashMap<>();
        List<Member> members = new ArrayList<>();
        int partitions = request.get("partitions").asInt(), count = request.get("count").asInt();
        long until = System.currentTimeMillis() + DEADLINE_MS;
        try {
            for (int i = 0; i < 3; i++) members.add(new Member(request.get("topic").asText(), request.get("group").asText(), seen));
            result.put("three", settle(members, partitions, until));
            members.remove(2).leave();
            result.put("two", settle(members, partitions, until));
            while (true) {
                synchronized (seen) {
                    if (seen.size() >= count) break;
                    if (System.currentTimeMillis() > until) throw new IllegalStateException(seen.size() + " of " + count + " records");
                }
                Thread.sleep(20);
            }
        } finally {
            for (Member member : members) member.leave();
        }
        result.put("records", seen.values());
        return result;
    }

    private static Object answer(JsonNode request) throws Exception {
        switch (request.get("op").asText()) {
            case "version": return AppInfoParser.getVersion();
            case "create":
                Era.createTopic(request.get("topic").asText(), request.get("partitions").asInt());
                return null;
            case "produce": return produce(request);
            case "consume": return consume(request);
            case "seek": return seek(request);
            case "take": return take(request);
            case "group": return group(request);
            default: throw new IllegalArgumentException("unknown operation");
        }
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        PrintStream answers = new PrintStream(System.out, true, "UTF-8");
        System.setOut(System.err);
        BufferedReader requests = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = requests.readLine(); line != null; line = requests.readLine()) {
            Map<String, Object> reply = new HashMap<>();
            try {
                reply.put("ok", answer(JSON.readTree(line)));
            } catch (Exception problem) {
                problem.printStackTrace();
                reply.put("error", problem.toString());
            }
            answers.println(JSON.writeValueAsString(reply));
        }
        System.exit(0);
    }
}
