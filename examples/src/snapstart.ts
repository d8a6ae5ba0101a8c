import { afterRestore } from '@forksafe/core'
import { once } from 'node:events'
import { get } from 'node:http'

/** The last step of a Lambda runtime's initialisation: the snapshot is taken while the answer is awaited. */
export async function takeSnapshot(): Promise<void> {
  if (process.env.AWS_LAMBDA_INITIALIZATION_TYPE !== 'snap-start') return
  const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`
  const [answer] = await once(get(`${api}/restore/next`), 'response')
  // Here every environment begins that is made of the snapshot.
  afterRestore()
  answer.resume()
}
