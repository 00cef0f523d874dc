import java.time.Duration;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RebalanceInProgressException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member of a group, as an application that wants each record once is to be written: it commits what it has read
 * before it polls again, and once more before it lets a partition go.
 *
 * <p>Arguments: topic, then settings as name=value. Says on standard output what happens: `assigned P...`,
 * `revoked P...`, `lost P...`, `read P OFFSET...`, `refused` for a commit that is to be tried again. The end of
 * standard input is its own.
 */
public final class Member {
    private static final Map<TopicPartition, OffsetAndMetadata> uncommitted = new HashMap<>();

    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        for (String each : List.of(arguments).subList(1, arguments.length)) {
            settings.put(each.substring(0, each.indexOf('=')), each.substring(each.indexOf('=') + 1));
        }
        AtomicBoolean isWanted = new AtomicBoolean(true);
        Thread listener = new Thread(() -> {
            try {
                System.in.read();
            } catch (java.io.IOException end) {
                // As good as a line.
            }
            isWanted.set(false);
        });
        listener.setDaemon(true);
        listener.start();
        ByteArrayDeserializer plain = new ByteArrayDeserializer();
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(settings, plain, plain)) {
            consumer.subscribe(List.of(arguments[0]), watcher(consumer));
            while (isWanted.get()) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                for (TopicPartition partition : records.partitions()) read(partition, records.records(partition));
                commit(consumer);
            }
        }
    }

    private static void read(TopicPartition partition, List<ConsumerRecord<byte[], byte[]>> records) {
        StringBuilder offsets = new StringBuilder("read " + partition.partition());
        for (ConsumerRecord<byte[], byte[]> record : records) offsets.append(' ').append(record.offset());
        System.out.println(offsets);
        uncommitted.put(partition, new OffsetAndMetadata(records.get(records.size() - 1).offset() + 1));
    }

    private static void commit(KafkaConsumer<byte[], byte[]> consumer) {
        try {
            if (!uncommitted.isEmpty()) consumer.commitSync(uncommitted);
            uncommitted.clear();
        } catch (RebalanceInProgressException later) {
            System.out.println("refused");
        }
    }

    private static ConsumerRebalanceListener watcher(KafkaConsumer<byte[], byte[]> consumer) {
        return new ConsumerRebalanceListener() {
            @Override
            public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                say("assigned", partitions);
            }

            @Override
            public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
                commit(consumer);
                say("revoked", partitions);
            }

            @Override
            public void onPartitionsLost(Collection<TopicPartition> partitions) {
                say("lost", partitions);
            }
        };
    }

    private static void say(String what, Collection<TopicPartition> partitions) {
        StringBuilder line = new StringBuilder(what);
        for (TopicPartition each : partitions) line.append(' ').append(each.partition());
        System.out.println(line);
    }
}
