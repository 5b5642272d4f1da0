// The stock, in JavaScript: listens where HOST and PORT say, and finds the prices at PLT_PRICES_URL.
const { createServer } = require('node:http')

const { HOST, PORT, PLT_PRICES_URL } = process.env
const counts = { tea: 7, coffee: 3 }

async function answer (path) {
  const [, first, second] = path.split('/')
  if (first !== 'value') {
    return { item: first, count: counts[first] ?? 0 }
  }
  const { cents } = await (await fetch(`${PLT_PRICES_URL}/${second}`)).json()
  return { item: second, cents: cents * (counts[second] ?? 0) }
}

const server = createServer(async (request, response) => {
  try {
    const body = await answer(request.url)
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  } catch (error) {
    console.error(error)
    response.writeHead(502).end()
  }
})

server.listen(PORT, HOST)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
