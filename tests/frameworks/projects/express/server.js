import { readFileSync } from 'node:fs'
import express from 'express'

const app = express()

app.get('/', (request, response) => {
  // Express has no notion of a prefix: this is the line that it needs.
  const prefix = request.get('x-forwarded-prefix') ?? ''
  let page = readFileSync('index.html', 'utf8').replace('<<css>>', `${prefix}/static/style.css`).replace('<<echo>>', '')
  for (const name of ['go', 'upload', 'download']) page = page.replace(`<<${name}>>`, `${prefix}/${name}`)
  response.type('html').send(page)
})
app.get('/go', (_request, response) => response.redirect('/there'))
app.get('/there', (_request, response) => response.type('html').send('<h1>arrived</h1>'))
app.post('/upload', express.raw({ type: '*/*' }), (request, response) => {
  const [, name] = /filename="([^"]*)"/.exec(request.body)
  const [, text] = /\r\n\r\n([^]*?)\r\n--/.exec(request.body)
  response.type('html').send(`<h1>${name}: ${text}</h1>`)
})
app.get('/download', (_request, response) => response.download('static/style.css'))
app.use('/static', express.static('static'))
app.listen(process.env.PORT, process.env.HOST)
