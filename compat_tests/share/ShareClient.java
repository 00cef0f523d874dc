import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** What a share consumer of kafka-clients does with a broker; `Usage: ShareClient BOOTSTRAP OPERATION [ARGUMENT]...`. */
public final class ShareClient {
    private static String bootstrap;

    private static Properties settings(String... pairs) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < pairs.length; i += 2) settings.put(pairs[i], pairs[i + 1]);
        return settings;
    }

    private static KafkaShareConsumer<String, String> consumer(String topic, String... pairs) {
        Properties settings = settings("group.id", topic, "share.acknowledgement.mode", "explicit");
        for (int i = 0; i < pairs.length; i += 2) settings.put(pairs[i], pairs[i + 1]);
        KafkaShareConsumer<String, String> consumer =
            new KafkaShareConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    /** A topic, `count` records in it, and a group of its name that begins at its start. */
    private static void prepare(String topic, int count, String... options) throws Exception {
        try (Admin admin = Admin.create(settings())) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
            List<AlterConfigOp> changes = new ArrayList<>();
            changes.add(set("share.auto.offset.reset", "earliest"));
            for (int i = 0; i < options.length; i += 2) changes.add(set(options[i], options[i + 1]));
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, topic), changes)).all().get();
        }
        produce(topic, 0, count);
    }

    private static AlterConfigOp set(String name, String value) {
        return new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    }

    private static void produce(String topic, int first, int count) throws Exception {
        try (KafkaProducer<String, String> producer =
                new KafkaProducer<>(settings("linger.ms", "5"), new StringSerializer(), new StringSerializer())) {
            for (int i = first; i < first + count; i++) producer.send(new ProducerRecord<>(topic, String.valueOf(i)));
            producer.flush();
        }
    }

    /** Offsets and how often they were delivered, of what `poll` gives within `ms`. */
    private static TreeMap<Long, Integer> poll(KafkaShareConsumer<String, String> consumer, int count, long ms,
            AcknowledgeType type) {
        TreeMap<Long, Integer> seen = new TreeMap<>();
        long until = System.currentTimeMillis() + ms;
        while (seen.size() < count && System.currentTimeMillis() < until) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                seen.put(record.offset(), (int) (short) record.deliveryCount().orElse((short) -1));
                if (type != null) consumer.acknowledge(record, type);
            }
            if (type != null) commit(consumer);
        }
        return seen;
    }

    private static void commit(KafkaShareConsumer<String, String> consumer) {
        for (Map.Entry<TopicIdPartition, Optional<KafkaException>> each : consumer.commitSync().entrySet()) {
            each.getValue().ifPresent(problem -> { throw problem; });
        }
    }

    private static void expect(boolean holds, String text) {
        if (!holds) throw new IllegalStateException(text);
    }

    /** Accepted and rejected records are done with, released ones come once more. */
    private static void acknowledge(String topic) throws Exception {
        prepare(topic, 10);
        try (KafkaShareConsumer<String, String> consumer = consumer(topic)) {
            List<ConsumerRecord<String, String>> records = new ArrayList<>();
            long until = System.currentTimeMillis() + 20_000;
            while (records.size() < 10 && System.currentTimeMillis() < until) {
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    records.add(record);
                    AcknowledgeType[] types = {AcknowledgeType.ACCEPT, AcknowledgeType.RELEASE, AcknowledgeType.REJECT};
                    consumer.acknowledge(record, types[(int) (record.offset() % 3)]);
                }
                commit(consumer);
            }
            expect(records.size() == 10, records.size() + " of 10 records");
            TreeMap<Long, Integer> again = poll(consumer, 3, 5000, AcknowledgeType.ACCEPT);
            expect(again.equals(Map.of(1L, 2, 4L, 2, 7L, 2)), "released 1, 4, 7; came again: " + again);
            expect(poll(consumer, 1, 1500, AcknowledgeType.ACCEPT).isEmpty(), "something came a third time");
        }
    }

    /** Without a word, polling again accepts what was polled before; several consumers share the records. */
    private static void implicit(String topic) throws Exception {
        prepare(topic, 300);
        TreeMap<Long, Integer> seen = new TreeMap<>();
        String[] mode = {"share.acknowledgement.mode", "implicit", "max.poll.records", "50"};
        try (KafkaShareConsumer<String, String> one = consumer(topic, mode); KafkaShareConsumer<String, String> two = consumer(topic, mode)) {
            long until = System.currentTimeMillis() + 20_000;
            while (seen.size() < 300 && System.currentTimeMillis() < until) {
                seen.putAll(poll(one, 1, 200, null));
                seen.putAll(poll(two, 1, 200, null));
            }
        }
        expect(seen.size() == 300, seen.size() + " of 300 records");
    }

    /** A lock that is renewed lasts; one that is not ends, and the record goes to somebody else. */
    private static void renew(String topic) throws Exception {
        prepare(topic, 2, "share.record.lock.duration.ms", "3000");
        try (KafkaShareConsumer<String, String> one = consumer(topic); KafkaShareConsumer<String, String> two = consumer(topic)) {
            List<ConsumerRecord<String, String>> held = new ArrayList<>();
            long until = System.currentTimeMillis() + 20_000;
            while (held.size() < 2 && System.currentTimeMillis() < until) one.poll(Duration.ofMillis(100)).forEach(held::add);
            expect(held.size() == 2, held.size() + " of 2 records");
            expect(one.acquisitionLockTimeoutMs().orElse(-1) == 3000, "lock of " + one.acquisitionLockTimeoutMs());
            TreeMap<Long, Integer> other = poll(two, 1, 1000, AcknowledgeType.ACCEPT);
            expect(other.isEmpty(), "locked 0 and 1; the other consumer got " + other);
            one.acknowledge(held.get(0), AcknowledgeType.RENEW);
            one.acknowledge(held.get(1), AcknowledgeType.RELEASE);
            commit(one);
            other.putAll(poll(two, 1, 5000, AcknowledgeType.ACCEPT));
            for (int i = 0; i < 4; i++) {
                // What was renewed is given again by the next poll, to be acknowledged in the end.
                for (ConsumerRecord<String, String> record : one.poll(Duration.ofMillis(500))) {
                    expect(record.offset() == 0, "renewed 0, polled " + record.offset());
                    one.acknowledge(record, AcknowledgeType.RENEW);
                }
                commit(one);
                other.putAll(poll(two, 2, 1000, AcknowledgeType.ACCEPT));
            }
            expect(other.equals(Map.of(1L, 2)), "renewed 0, released 1; the other consumer got " + other);
            other.putAll(poll(two, 1, 10_000, AcknowledgeType.ACCEPT));
            expect(other.equals(Map.of(0L, 2, 1L, 2)), "the renewals ended; the other consumer got " + other);
        }
    }

    /** Record-limit mode gives no more than was asked for, though they lie in one batch (KIP-1206). */
    private static void limit(String topic) throws Exception {
        prepare(topic, 20);
        try (KafkaShareConsumer<String, String> consumer =
                consumer(topic, "share.acquire.mode", "record_limit", "max.poll.records", "3")) {
            int total = 0;
            long until = System.currentTimeMillis() + 20_000;
            while (total < 20 && System.currentTimeMillis() < until) {
                int count = 0;
                for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                    consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                    count++;
                }
                expect(count <= 3, count + " records in one poll");
                total += count;
                commit(consumer);
            }
            expect(total == 20, total + " of 20 records");
        }
    }

    /** Accept the first half of the records and keep the other, until somebody ends this process. */
    private static void hold(String topic, int count) throws Exception {
        prepare(topic, count);
        KafkaShareConsumer<String, String> consumer = consumer(topic);
        TreeMap<Long, Integer> seen = new TreeMap<>();
        while (seen.size() < count) {
            for (ConsumerRecord<String, String> record : consumer.poll(Duration.ofMillis(100))) {
                seen.put(record.offset(), 1);
                if (record.offset() < count / 2) consumer.acknowledge(record, AcknowledgeType.ACCEPT);
            }
        }
        // commitSync takes what was acknowledged; the rest stays with this consumer.
        commit(consumer);
        System.out.println("holding");
        System.out.flush();
        Thread.sleep(600_000);
    }

    /** Accept whatever comes within `ms`; print the offsets and how often each was delivered. */
    private static void drain(String topic, int count, long ms) {
        try (KafkaShareConsumer<String, String> consumer = consumer(topic)) {
            System.out.println(poll(consumer, count, ms, AcknowledgeType.ACCEPT));
        }
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        String topic = arguments[2];
        switch (arguments[1]) {
            case "acknowledge": acknowledge(topic); break;
            case "implicit": implicit(topic); break;
            case "renew": renew(topic); break;
            case "limit": limit(topic); break;
            case "prepare": prepare(topic, Integer.parseInt(arguments[3])); break;
            case "hold": hold(topic, Integer.parseInt(arguments[3])); break;
            case "drain": drain(topic, Integer.parseInt(arguments[3]), Long.parseLong(arguments[4])); break;
            default: throw new IllegalArgumentException(arguments[1]);
        }
        System.out.println("ok");
        System.exit(0);
    }
}
