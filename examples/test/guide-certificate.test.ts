import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, createServer } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'

const guide = new URL('../../docs/testing-a-driver.md', import.meta.url)

test('the command of the guide makes a certificate that a client of 127.0.0.1 accepts', async () => {
  const command = /^openssl req(.*\\\n)*.*/m.exec(readFileSync(guide, 'utf8'))?.[0] ?? ''
  const folder = mkdtempSync(join(tmpdir(), 'forksafe-certificate-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  execFileSync('sh', ['-c', command], { cwd: folder, stdio: 'ignore' })
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => readFileSync(join(folder, name)))

  const server = createServer({ cert, key }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const trusting = connect({ port, host: '127.0.0.1', ca: cert })
  await once(trusting, 'secureConnect')
  expect(trusting.authorized).toBe(true)
  trusting.destroy()
  const distrusting = connect({ port, host: '127.0.0.1' })
  await expect(once(distrusting, 'secureConnect')).rejects.toThrow('self-signed certificate')
})
