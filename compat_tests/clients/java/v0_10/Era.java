import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** kafka-clients 0.10.1 and 0.10.2: timestamps, but no admin client and no headers. */
final class Era {
    static void createTopic(String topic, int partitions) {
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                Driver.settings("group.id", "unused"), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.partitionsFor(topic);
        }
    }

    static ProducerRecord<byte[], byte[]> record(
            String topic, int partition, long timestamp, byte[] key, byte[] value, Map.Entry<String, byte[]>[] headers) {
        return new ProducerRecord<>(topic, partition, timestamp, key, value);
    }

    static void show(ConsumerRecord<byte[], byte[]> record, Map<String, Object> shown) {
        shown.put("t", record.timestamp());
    }

    static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long ms) {
        return consumer.poll(ms);
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
