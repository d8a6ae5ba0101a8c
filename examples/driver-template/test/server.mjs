// In place of this file: what starts a real server of yours. It must be a process of its own, because the suite forks the
// one that the tests run in. It ends with that process, when its standard input does.
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
