import { pool, sum } from '../src/pg-cursor.ts'
import { testStreaming } from './support/streaming.ts'

testStreaming('pg-cursor', pool, sum)
