import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;

/** kafka-clients from 2.4 on: admin client, headers, timestamps. */
final class Era {
    static void createTopic(String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(Driver.settings())) {
            admin.createTopics(Arrays.asList(new NewTopic(topic, partitions, (short) 1))).all().get();
        }
    }

    static ProducerRecord<byte[], byte[]> record(
            String topic, int partition, long timestamp, byte[] key, byte[] value, Map.Entry<String, byte[]>[] headers) {
        ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, timestamp, key, value);
        for (Map.Entry<String, byte[]> header : headers) record.headers().add(header.getKey(), header.getValue());
        return record;
    }

    static void show(ConsumerRecord<byte[], byte[]> record, Map<String, Object> shown) {
        List<Object> headers = new ArrayList<>();
        for (Header header : record.headers()) headers.add(Arrays.asList(header.key(), Driver.toBase64(header.value())));
        shown.put("t", record.timestamp());
        shown.put("h", headers);
    }

    static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long ms) {
        return consumer.poll(Duration.ofMillis(ms));
    }

    static Map<TopicPartition, Long> offsetsForTimes(
            KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions, long timestamp) {
        Map<TopicPartition, Long> times = new HashMap<>(), offsets = new HashMap<>();
        for (TopicPartition tp : partitions) times.put(tp, timestamp);
        for (Map.Entry<TopicPartition, OffsetAndTimestamp> found : consumer.offsetsForTimes(times).entrySet()) {
            if (found.getValue() != null) offsets.put(found.getKey(), found.getValue().offset());
        }
        return offsets;
    }
}
