import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** kafka-clients 0.9: keys and values only. */
final class Era {
    static void createTopic(String topic, int partitions) {
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
                Driver.settings("group.id", "unused"), new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.partitionsFor(topic);
        }
    }

    static ProducerRecord<byte[], byte[]> record(
            String topic, int partition, long timestamp, byte[] key, byte[] value, Map.Entry<String, byte[]>[] headers) {
        return new ProducerRecord<>(topic, partition, key, value);
    }

    static void show(ConsumerRecord<byte[], byte[]> record, Map<String, Object> shown) {
        // A record of 0.9 has nothing more than its key and value.
    }

    static ConsumerRecords<byte[], byte[]> poll(KafkaConsumer<byte[], byte[]> consumer, long ms) {
        return consumer.poll(ms);
    }

    static Map<TopicPartition, Long> offsetsForTimes(
            KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions, long timestamp) {
        throw new UnsupportedOperationException("offsets by time came with 0.10.1");
    }
}
