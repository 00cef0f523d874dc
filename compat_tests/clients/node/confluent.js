'use strict';
// Driver of @confluentinc/kafka-javascript, by its KafkaJS-like interface.

const { KafkaJS, librdkafkaVersion } = require('@confluentinc/kafka-javascript');
const { version } = require('@confluentinc/kafka-javascript/package.json');
const { messagesOf, operations, serve, shown, until } = require('./contract');

const kafka = new KafkaJS.Kafka({ kafkaJS: { brokers: [process.argv[2]], logLevel: KafkaJS.logLevel.WARN } });

async function produce({ topic, partition, codec, records }) {
  const producer = kafka.producer({ kafkaJS: { acks: -1, compression: codec }, 'linger.ms': 20 });
  await producer.connect();
  await producer.send({ topic, messages: messagesOf(partition, records) });
  await producer.disconnect();
}

async function run({ topic, group, seen, offsets }) {
  const consumer = kafka.consumer({ kafkaJS: { groupId: group, fromBeginning: true, autoCommit: false } });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic] });
  await consumer.run({ eachMessage: async ({ partition, message }) => seen(shown(partition, message)) });
  const assigned = () => consumer.assignment().map((each) => each.partition);
  if (offsets !== undefined) {
    await until(() => assigned().length, () => 'nothing assigned'); // seek works on what is assigned
    for (const [partition, offset] of Object.entries(offsets)) {
      await consumer.seek({ topic, partition: Number(partition), offset });
    }
  }
  return { consumer, assigned, close: () => consumer.disconnect() };
}

serve({ version: () => `${version} (librdkafka ${librdkafkaVersion})`, produce, ...operations(kafka, run) });
