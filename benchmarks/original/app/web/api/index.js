// The same small service as ../../../../app/web/api: one answer, and a count of the webhooks it got.
import { createServer } from 'node:http'

const bodies = new Set()
let received = 0
let first = 0
let last = 0

export function create () {
  return createServer((request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      let answer = '{"hello":"world"}'
      if (request.url === '/hook') {
        last = performance.now()
        first ||= last
        received++
        bodies.add(Buffer.concat(chunks).toString('latin1'))
        answer = ''
      } else if (request.url === '/count') {
        answer = JSON.stringify({ received, different: bodies.size, seconds: (last - first) / 1000 })
      }
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
      response.end(answer)
    })
  })
}
