import { afterRestore } from '@forksafe/core'
import { once } from 'node:events'
import { get } from 'node:http'

/** Does the last step of a Lambda runtime's initialisation. The snapshot is taken while it waits for the response. */
export async function takeSnapshot(): Promise<void> {
  if (process.env.AWS_LAMBDA_INITIALIZATION_TYPE !== 'snap-start') return
  const api = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`
  const [answer] = await once(get(`${api}/restore/next`), 'response')
  // Every environment restored from the snapshot starts here.
  afterRestore()
  answer.resume()
}
