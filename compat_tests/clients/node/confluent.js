'use strict';
// Driver of @confluentinc/kafka-javascript, by its KafkaJS-like interface.

const { KafkaJS, librdkafkaVersion } = require('@confluentinc/kafka-javascript');
const { version } = require('@confluentinc/kafka-javascript/package.json');
const { fromBase64, headersOf, serve, share, shown, until } = require('./contract');

const kafka = new KafkaJS.Kafka({ kafkaJS: { brokers: [process.argv[2]], logLevel: KafkaJS.logLevel.WARN } });
let reading = 0;

async function create({ topic, partitions }) {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions, replicationFactor: 1 }] });
  await admin.disconnect();
}

async function produce({ topic, partition, codec, records }) {
  const producer = kafka.producer({ kafkaJS: { acks: -1, compression: codec }, 'linger.ms': 20 });
  await producer.connect();
  const messages = records.map((each) => ({
    partition, key: fromBase64(each.k), value: fromBase64(each.v), timestamp: String(each.t), headers: headersOf(each.h),
  }));
  await producer.send({ topic, messages });
  await producer.disconnect();
}

/** Run a consumer in a group; `seen` gets each record. */
async function run({ topic, group, seen }) {
  const consumer = kafka.consumer({ kafkaJS: { groupId: group, fromBeginning: true, autoCommit: false } });
  await consumer.connect();
  await consumer.subscribe({ topics: [topic] });
  await consumer.run({ eachMessage: async ({ partition, message }) => seen(shown(partition, message)) });
  const assigned = () => consumer.assignment().map((each) => each.partition);
  return { consumer, assigned, close: () => consumer.disconnect() };
}

async function read({ topic, group, offsets, count, then = async () => {} }) {
  const records = [];
  const seen = (record) => {
    const wanted = offsets === undefined || record.o >= Number(offsets[record.p] ?? Infinity);
    if (wanted && records.length < count && !records.some((r) => r.p === record.p && r.o === record.o)) records.push(record);
  };
  const member = await run({ topic, group, seen });
  try {
    if (offsets !== undefined) {
      await until(() => member.assigned().length, () => 'nothing assigned');
      for (const [partition, offset] of Object.entries(offsets)) {
        await member.consumer.seek({ topic, partition: Number(partition), offset });
      }
    }
    await until(() => records.length >= count, () => `${records.length} of ${count} records`);
    await then(member.consumer, records);
    return records;
  } finally {
    await member.close();
  }
}

function consume({ topic, partitions, count }) {
  const offsets = Object.fromEntries(partitions.map((p) => [p, '0']));
  return read({ topic, group: `${topic}-reader-${reading++}`, offsets, count });
}

async function seek({ topic, partitions, timestamp, count }) {
  const admin = kafka.admin();
  await admin.connect();
  const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp);
  await admin.disconnect();
  const offsets = Object.fromEntries(found.filter((f) => partitions.includes(f.partition)).map((f) => [f.partition, f.offset]));
  return read({ topic, group: `${topic}-reader-${reading++}`, offsets, count });
}

function take({ topic, group, count }) {
  const commit = (consumer, records) => {
    const next = new Map(records.map((r) => [r.p, r.o + 1]));
    return consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })));
  };
  return read({ topic, group, count, then: commit });
}

serve({
  version: () => `${version} (librdkafka ${librdkafkaVersion})`,
  create, produce, consume, seek, take,
  group: ({ topic, group, partitions, count }) => share((seen) => run({ topic, group, seen }), partitions, count),
});
