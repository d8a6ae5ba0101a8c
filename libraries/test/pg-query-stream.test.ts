import { pool, sum } from '../src/pg-query-stream.ts'
import { testStreaming } from './support/streaming.ts'

testStreaming('pg-query-stream', pool, sum)
