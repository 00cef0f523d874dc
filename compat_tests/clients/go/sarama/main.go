// Command sarama drives IBM/sarama (see ../../README.md).
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/IBM/sarama"
	"kwire/compat/contract"
)

var codecs = map[string]sarama.CompressionCodec{
	"none":   sarama.CompressionNone,
	"gzip":   sarama.CompressionGZIP,
	"snappy": sarama.CompressionSnappy,
	"lz4":    sarama.CompressionLZ4,
	"zstd":   sarama.CompressionZSTD,
}

func brokers() []string { return os.Args[1:2] }

func settings() *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.MaxVersion
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Partitioner = sarama.NewManualPartitioner
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	config.Consumer.Offsets.AutoCommit.Enable = false
	return config
}

func create(r contract.Request) (any, error) {
	admin, err := sarama.NewClusterAdmin(brokers(), settings())
	if err != nil {
		return nil, err
	}
	defer admin.Close()
	return nil, admin.CreateTopic(r.Topic, &sarama.TopicDetail{NumPartitions: r.PartitionCount(), ReplicationFactor: 1}, false)
}

// encoder keeps nil apart from empty.
func encoder(data []byte) sarama.Encoder {
	if data == nil {
		return nil
	}
	return sarama.ByteEncoder(data)
}

func produce(r contract.Request) (any, error) {
	config := settings()
	config.Producer.Compression = codecs[r.Codec]
	producer, err := sarama.NewSyncProducer(brokers(), config)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	messages := make([]*sarama.ProducerMessage, len(r.Records))
	for i, each := range r.Records {
		messages[i] = &sarama.ProducerMessage{
			Topic: r.Topic, Partition: r.Partition, Key: encoder(each.Key), Value: encoder(each.Value),
			Timestamp: time.UnixMilli(each.Timestamp),
		}
		for _, h := range each.Headers {
			messages[i].Headers = append(messages[i].Headers, sarama.RecordHeader{Key: []byte(h.Name), Value: h.Value})
		}
	}
	return nil, producer.SendMessages(messages)
}

func shown(m *sarama.ConsumerMessage) contract.Record {
	headers := []contract.Header{}
	for _, h := range m.Headers {
		headers = append(headers, contract.Header{Name: string(h.Key), Value: h.Value})
	}
	return contract.Record{
		Partition: m.Partition, Offset: m.Offset, Timestamp: m.Timestamp.UnixMilli(),
		Key: m.Key, Value: m.Value, Headers: headers,
	}
}

// readFrom reads partitions from their offsets until it has count records.
func readFrom(topic string, offsets map[int32]int64, count int) (any, error) {
	consumer, err := sarama.NewConsumer(brokers(), settings())
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	messages := make(chan *sarama.ConsumerMessage)
	done := make(chan struct{})
	defer close(done)
	for partition, offset := range offsets {
		pc, err := consumer.ConsumePartition(topic, partition, offset)
		if err != nil {
			return nil, err
		}
		defer pc.AsyncClose()
		go func() {
			for m := range pc.Messages() {
				select {
				case messages <- m:
				case <-done:
					return
				}
			}
		}()
	}
	records := []contract.Record{}
	timeout := time.After(contract.Deadline)
	for len(records) < count {
		select {
		case m := <-messages:
			records = append(records, shown(m))
		case <-timeout:
			return nil, fmt.Errorf("%d of %d records after %v", len(records), count, contract.Deadline)
		}
	}
	return records, nil
}

func consume(r contract.Request) (any, error) {
	offsets := map[int32]int64{}
	for _, p := range r.PartitionList() {
		offsets[p] = 0
	}
	return readFrom(r.Topic, offsets, r.Count)
}

func seek(r contract.Request) (any, error) {
	client, err := sarama.NewClient(brokers(), settings())
	if err != nil {
		return nil, err
	}
	defer client.Close()
	offsets := map[int32]int64{}
	for _, p := range r.PartitionList() {
		if offsets[p], err = client.GetOffset(r.Topic, p, r.Timestamp); err != nil {
			return nil, err
		}
	}
	return readFrom(r.Topic, offsets, r.Count)
}

// member is a consumer group session; its handler runs in the library's goroutines.
type member struct {
	group   sarama.ConsumerGroup
	topic   string
	limit   int // commit and stop reading after so many records; 0 is no limit
	cancel  context.CancelFunc
	stopped chan struct{}
	mu      sync.Mutex
	held    []int32
	fresh   []contract.Record
	taken   int
	failure error
}

func join(r contract.Request, limit int) (*member, error) {
	group, err := sarama.NewConsumerGroup(brokers(), r.Group, settings())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	m := &member{group: group, topic: r.Topic, limit: limit, cancel: cancel, stopped: make(chan struct{})}
	go func() {
		defer close(m.stopped)
		for ctx.Err() == nil { // Consume returns at every rebalance
			if err := group.Consume(ctx, []string{r.Topic}, m); err != nil && !errors.Is(err, sarama.ErrClosedConsumerGroup) {
				m.mu.Lock()
				m.failure = err
				m.mu.Unlock()
				return
			}
		}
	}()
	return m, nil
}

func (m *member) hold(partitions []int32) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held = partitions
}

// Setup, Cleanup and ConsumeClaim make it a sarama.ConsumerGroupHandler.
func (m *member) Setup(s sarama.ConsumerGroupSession) error {
	m.hold(s.Claims()[m.topic])
	return nil
}

func (m *member) Cleanup(sarama.ConsumerGroupSession) error {
	m.hold(nil)
	return nil
}

func (m *member) ConsumeClaim(s sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case <-s.Context().Done():
			return nil
		case message, open := <-claim.Messages():
			if !open || !m.keep(s, message) {
				return nil
			}
		}
	}
}

// keep says whether there is more to read after this record.
func (m *member) keep(s sarama.ConsumerGroupSession, message *sarama.ConsumerMessage) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.limit > 0 && m.taken == m.limit {
		return false
	}
	m.taken++
	m.fresh = append(m.fresh, shown(message))
	if m.limit > 0 {
		s.MarkMessage(message, "")
	}
	if m.taken == m.limit {
		s.Commit()
		return false
	}
	return true
}

func (m *member) Assigned() []int32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(slices.Values(m.held))
}

func (m *member) Poll() ([]contract.Record, error) {
	time.Sleep(20 * time.Millisecond)
	m.mu.Lock()
	defer m.mu.Unlock()
	records := m.fresh
	m.fresh = nil
	return records, m.failure
}

func (m *member) Close() error {
	m.cancel()
	err := m.group.Close()
	<-m.stopped
	return err
}

func take(r contract.Request) (any, error) {
	m, err := join(r, r.Count)
	if err != nil {
		return nil, err
	}
	var records []contract.Record
	until := time.Now().Add(contract.Deadline)
	for len(records) < r.Count && err == nil {
		var more []contract.Record
		more, err = m.Poll()
		records = append(records, more...)
		if time.Now().After(until) {
			err = fmt.Errorf("%d of %d records after %v", len(records), r.Count, contract.Deadline)
		}
	}
	return records, errors.Join(err, m.Close())
}

func group(r contract.Request) (any, error) {
	return contract.Share(func() (contract.Member, error) { return join(r, 0) }, r.PartitionCount(), r.Count)
}

func version(contract.Request) (any, error) {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/IBM/sarama" {
			return module.Version, nil
		}
	}
	return nil, errors.New("the build information does not name sarama")
}

func main() {
	contract.Serve(map[string]func(contract.Request) (any, error){
		"version": version, "create": create, "produce": produce, "consume": consume,
		"seek": seek, "take": take, "group": group,
	})
}
