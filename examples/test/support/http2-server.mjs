// An HTTP/2 server in a process of its own, because the suite forks the process of the tests. It exits when its standard input
// ends, and so together with that process.
import { createSecureServer, createServer } from 'node:http2'

const { CERT: cert, KEY: key } = process.env
const server = cert ? createSecureServer({ cert, key }) : createServer()

/** The open requests of each session. */
const open = new Map()

server.on('session', (session) => {
  session.on('error', () => undefined)
  open.set(session, new Set())
  session.on('close', () => open.delete(session))
})
server.on('sessionError', () => undefined)

server.on('stream', (stream, headers) => {
  const { session } = stream
  const streams = open.get(session)
  streams?.add(stream)
  stream.on('error', () => undefined)
  stream.on('close', () => streams?.delete(stream))
  const answer = (text) => {
    stream.respond({ ':status': 200 })
    stream.end(text)
  }
  const [, verb = '', text = ''] = headers[':path'].split('/')
  const verbs = {
    echo: () => answer(text),
    /** Answers at once, but never ends. */
    hang() {
      stream.respond({ ':status': 200 })
      stream.write('a beginning')
    },
    /** The number of other open requests in this session. */
    open: () => answer(String((streams?.size ?? 1) - 1)),
    /** Answers after the session was announced to end. */
    leave() {
      session.close()
      answer('announced')
    },
    kill: () => session.destroy(),
    post() {
      let body = ''
      stream.setEncoding('utf8').on('data', (part) => (body += part))
      stream.on('end', () => answer(`${headers[':method']} ${body}`))
    },
  }
  verbs[verb]?.()
})

server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume().on('end', () => process.exit())
