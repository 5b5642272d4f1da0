// Publishes each order as a record, in JavaScript; makes its own spans and sends them as OTLP's JSON.
const { createServer, request: send, Agent } = require('node:http')
const { randomBytes } = require('node:crypto')

const { HOST, PORT, TOPIC, PLT_HOOKS_URL } = process.env
const { OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT } = process.env
const agent = new Agent({ keepAlive: true })
const SERVER = 2
const CLIENT = 3
const PAUSE = 200

let spans = []
let timer = null

const now = () => String(BigInt(Date.now()) * 1000000n)

function begin (kind, traceId, parentSpanId) {
  const spanId = randomBytes(8).toString('hex')
  return { traceId, spanId, parentSpanId, name: 'POST', kind, startTimeUnixNano: now(), attributes: [], status: {} }
}

function end (span) {
  span.endTimeUnixNano = now()
  spans.push(span)
  timer ??= setTimeout(flush, PAUSE)
}

function post (url, headers, body) {
  return new Promise((resolve, reject) => {
    const request = send(url, { method: 'POST', agent, headers: { ...headers, 'content-length': body.length } }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    request.on('error', reject).end(body)
  })
}

async function flush () {
  clearTimeout(timer)
  timer = null
  const batch = spans
  spans = []
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: OTEL_SERVICE_NAME } }] }
  const document = { resourceSpans: [{ resource, scopeSpans: [{ scope: { name: 'orders' }, spans: batch }] }] }
  const body = Buffer.from(JSON.stringify(document))
  const status = await post(OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, { 'content-type': 'application/json' }, body)
  if (status !== 200) console.error(`the collector said ${status}`)
}

const server = createServer(async (request, response) => {
  const [, traceId, parentId] = request.headers.traceparent.split('-')
  const served = begin(SERVER, traceId, parentId)
  const pieces = []
  for await (const piece of request) pieces.push(piece)
  const body = Buffer.concat(pieces)
  const call = begin(CLIENT, traceId, served.spanId)
  const headers = {
    traceparent: `00-${traceId}-${call.spanId}-01`,
    tracestate: request.headers.tracestate ?? '',
    baggage: request.headers.baggage ?? '',
    'x-plt-kafka-hooks-key': body.toString()
  }
  const status = await post(`${PLT_HOOKS_URL}/topics/${TOPIC}`, headers, body)
  end(call)
  end(served)
  response.writeHead(status).end()
})

server.listen(PORT, HOST)
process.on('SIGTERM', () => server.close(() => flush().then(() => process.exit(0))))
