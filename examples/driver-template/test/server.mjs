// Replace this file by a real server of your service. It must run in a separate process, because the suite forks the process of
// the tests. It exits when its standard input ends, and so together with that process.
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'

const server = createServer((socket) => {
  let name = 'nobody'
  const answers = {
    login: (password) => (password === 'secret' ? 'ok' : 'denied'),
    echo: (text) => text,
    name: (given) => (name = given),
    who: () => name,
    reset: () => (name = 'nobody'),
  }
  socket.on('error', () => undefined)
  createInterface({ input: socket }).on('line', (line) => {
    const [verb = '', ...words] = line.split(' ')
    if (verb === 'quit') socket.end()
    else socket.write(`${answers[verb]?.(words.join(' ')) ?? 'what?'}\n`)
  })
})
server.listen(0, '127.0.0.1', () => console.log(server.address().port))
process.stdin.resume().on('end', () => process.exit())
