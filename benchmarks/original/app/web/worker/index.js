// Answers every request that comes over the topic with its own body.
import { createServer } from 'node:http'
import { Consumer, Producer } from '@platformatic/kafka'

const topic = process.env.TOPIC
const connection = { clientId: 'worker', bootstrapBrokers: [process.env.KAFKA_BROKERS] }
const CORRELATION_ID = 'x-plt-kafka-hooks-correlation-id'

async function answer () {
  const producer = new Producer(connection)
  const consumer = new Consumer({ ...connection, groupId: `${topic}-worker`, autocreateTopics: true, sessionTimeout: 10000 })
  const stream = await consumer.consume({
    topics: [`${topic}-requests`], mode: 'committed', fallbackMode: 'earliest', maxWaitTime: 100, autocommit: 500
  })
  stream.on('data', message => {
    const [, correlationId] = [...message.headers].find(([name]) => name.toString() === CORRELATION_ID)
    producer.send({
      acks: -1,
      messages: [{
        topic: `${topic}-responses`,
        value: message.value,
        headers: new Map([
          [Buffer.from(CORRELATION_ID), correlationId],
          [Buffer.from('content-type'), Buffer.from('application/json')]
        ])
      }]
    }).catch(error => console.error(error))
  })
  stream.on('error', error => console.error(error))
}

export async function create () {
  await answer()
  return createServer((_, response) => response.end('worker'))
}
