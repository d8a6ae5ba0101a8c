import { spawn } from 'node:child_process'
import { once } from 'node:events'

/** The program of the server. It runs in its own process, so that forked children do not inherit it. */
const program = `
  const sessions = new Map()
  let last = 0
  const server = require('node:net').createServer((socket) => {
    const id = ++last
    const session = { socket, id, kept: '' }
    let begun = ''
    let welcome = false
    sessions.set(id, session)
    const say = (line) => socket.writable && socket.write(line + '\\n')
    const verbs = {
      login: (password) => {
        welcome = password === 'secret'
        say(welcome ? 'welcome ' + id : password === 'one-too-many' ? 'full' : 'refused')
        if (!welcome) socket.end()
      },
      echo: (text) => say(text),
      keep: (text) => say((session.kept = text)),
      kept: () => say(session.kept),
      kill: (id) => { sessions.get(Number(id))?.socket.destroy(); say('killed') },
      leave: (id) => { sessions.get(Number(id))?.socket.write('!leaving\\n'); say('announced') },
      quit: () => socket.end(),
    }
    socket.setNoDelay(true)
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sessions.delete(id))
    socket.on('data', (text) => {
      const lines = (begun + text).split('\\n')
      begun = lines.pop()
      for (const line of lines) {
        const [verb, argument = ''] = line.split(' ')
        if (verb === 'login' || welcome) verbs[verb](argument)
      }
    })
  })
  server.listen(0, '127.0.0.1', () => console.log(server.address().port))
  process.stdin.resume().on('close', () => process.exit())`

/** Starts a server with a line protocol: it checks a password, echoes, and stores a word for each session. */
export async function startLineServer() {
  const child = spawn(process.execPath, ['-e', program], { stdio: ['pipe', 'pipe', 'inherit'] })
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  return {
    port: Number(line.toString()),
    async stop() {
      const exited = once(child, 'exit')
      child.kill()
      await exited
    },
  }
}
