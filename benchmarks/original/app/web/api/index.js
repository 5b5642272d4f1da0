// The same small service as ../../../../app/web/api: one answer, and a count of the webhooks it got.
import { createServer } from 'node:http'

let received = 0

export function create () {
  return createServer((request, response) => {
    const chunks = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      let answer = '{"hello":"world"}'
      if (request.url === '/hook') {
        Buffer.concat(chunks)
        received++
        answer = ''
      } else if (request.url === '/count') {
        answer = JSON.stringify({ received })
      }
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(answer) })
      response.end(answer)
    })
  })
}
