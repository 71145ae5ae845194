// One connection: what it believes to have for itself (statement names, settings, COPY, LISTEN) mapped to the one backend.
import {
  closeStatement, cString, errorResponse, firstMessage, firstRow, message, messages, query, startupPacket, stringAt,
  SYNC, typeOf
} from './wire.mjs'

const COPY_IN = /^\s*copy\s[\s\S]*\sfrom\s+stdin\b/i
const NOT_KEPT = String.raw`local|transaction|constraints|session\s+characteristics|names|schema`
const SET = new RegExp(String.raw`^\s*set\s+(?!(?:${NOT_KEPT})\b)(?:session\s+)?([\w.]+)\s*(?:=|\bto\b|\bzone\b)?\s*([^;]*);?\s*$`, 'i')
const SET_NAMES = { time: 'timezone', authorization: 'session_authorization' } // SET TIME ZONE, SET SESSION AUTHORIZATION
const RESET = /^\s*reset\s+([\w.]+)\s*;?\s*$/i
const RESET_ALL = /\breset\s+all\b/i
const LISTEN = /\b(un)?listen\s+(?:"([^"]+)"|([\w$*]+))/gi
// These may only meet the client's own statements.
const DEALLOCATE = /^\s*(?:deallocate(?:\s+prepare)?\s+(?:"([^"]+)"|(\w+))|discard\s+all)\s*;?\s*$/i
const NOTHING = 'UNLISTEN nobody'
const PIECE = 400 // messages; a longer pipeline in one call loses its end in this build

const quoted = text => `'${text.replaceAll("'", "''")}'`
const clients = new Set()
let lastId = 1000

export class Client {
  #backend; #socket
  #id = lastId++
  #arrived = Buffer.alloc(0)
  #work = Promise.resolve() // everything this client sent, in order
  #started = false
  #user = 'postgres'
  #startSettings = new Map() // of the connection string: RESET ALL goes back to these
  #settings = new Map() // name → value as SQL, with what an open transaction has changed
  #committed = new Map() // the same without it
  #statements = new Map() // the client's name of a prepared statement → the backend's
  #lastStatement = 0
  #channels = new Set()
  #batch = [] // messages up to the next Sync
  #copy = null // the messages of a COPY FROM STDIN that is arriving
  #hiddenCloses = 0 // CloseComplete replies to messages of ours
  #skipToSync = false
  #settingsLost = false; #listensLost = false
  #status = 'I' // as in ReadyForQuery: idle, in a transaction, in a failed one

  constructor (backend, socket) {
    this.#backend = backend
    this.#socket = socket
    clients.add(this)
    socket.setNoDelay(true)
    socket.on('data', data => {
      this.#arrived = this.#arrived.length ? Buffer.concat([this.#arrived, data]) : data
      this.#work = this.#work.then(() => this.#read()).catch(error => this.#hangUp(error))
    })
    socket.on('error', () => {}) // 'close' follows
    socket.on('close', () => this.#gone())
  }

  #hangUp (error) {
    if (this.#socket.writable) this.#socket.end(errorResponse('57P01', error.message))
  }

  #write (bytes) { if (this.#socket.writable && bytes.length) this.#socket.write(bytes) }

  async #read () {
    while (!this.#socket.destroyed) {
      if (!this.#started) {
        const packet = startupPacket(this.#arrived)
        if (!packet) return
        this.#arrived = this.#arrived.subarray(packet.length)
        if (packet.request === 'encryption') this.#write(Buffer.from('N'))
        else if (packet.request === 'cancel') this.#socket.end() // nothing can interrupt the backend
        else await this.#start(packet.parameters)
      } else {
        const next = firstMessage(this.#arrived)
        if (!next) return
        this.#arrived = this.#arrived.subarray(next.length)
        await this.#receive(typeOf(next), next)
      }
    }
  }

  async #start ({ user, database, replication, client_encoding: encoding, options = '', ...settings }) {
    this.#user = user ?? 'postgres'
    for (const [, name, value] of options.matchAll(/(?:-c\s*|--)([\w.-]+)=((?:\\.|\S)*)/g)) {
      settings[name.replaceAll('-', '_')] = value.replace(/\\(.)/g, '$1')
    }
    for (const [name, value] of Object.entries(settings)) this.#startSettings.set(name.toLowerCase(), quoted(value))
    this.#settings = this.#committed = this.#startSettings
    const reported = ['server_version', 'TimeZone', 'DateStyle', 'IntervalStyle', 'application_name', 'is_superuser']
    await this.#backend.acquire(this)
    let values
    try {
      await this.#backend.dress(this.#state())
      values = firstRow(await this.#backend.send(query(`SELECT ${reported.map(n => `current_setting('${n}')`).join()}`)))
    } finally { this.#backend.release(this) }
    const parameters = {
      ...Object.fromEntries(reported.map((name, i) => [name, values[i]])),
      client_encoding: 'UTF8', server_encoding: 'UTF8', integer_datetimes: 'on', standard_conforming_strings: 'on',
      in_hot_standby: 'off', default_transaction_read_only: 'off', session_authorization: this.#user
    }
    const key = Buffer.alloc(8)
    key.writeInt32BE(this.#id, 0)
    this.#write(Buffer.concat([
      message('R', Buffer.alloc(4)), // welcome, without a password
      ...Object.entries(parameters).map(([name, value]) => message('S', cString(name), cString(value))),
      message('K', key), message('Z', Buffer.from('I'))
    ]))
    this.#started = true
  }

  // The session state, between transactions, as SQL.
  #state () {
    const role = this.#user === 'postgres' ? [] : [`SET SESSION AUTHORIZATION "${this.#user}"`]
    return [...role, ...[...this.#committed].map(([name, value]) => `SET ${name} TO ${value}`)].join(';')
  }

  // Take note of what a statement does to the session, which is the client's and not the backend's.
  #watch (sql) {
    const set = SET.exec(sql)
    if (set) {
      const name = set[1].toLowerCase()
      this.#settings = new Map(this.#settings).set(SET_NAMES[name] ?? name, set[2])
    }
    const reset = RESET.exec(sql)?.[1].toLowerCase()
    if (reset) this.#settings = new Map([...this.#settings].filter(([name]) => name !== reset))
    if (RESET_ALL.test(sql)) this.#settings = this.#startSettings
    if (reset || RESET_ALL.test(sql)) this.#settingsLost = true // they are this build's own now
    for (const [, un, exact, plain] of sql.matchAll(LISTEN)) {
      const channel = exact ?? plain.toLowerCase()
      if (un) this.#listensLost = true // the backend drops it for all of us
      if (!un) this.#channels.add(channel)
      else if (channel === '*') this.#channels.clear()
      else this.#channels.delete(channel)
    }
  }

  // For DEALLOCATE and DISCARD ALL: the messages that close this client's own statements; null for any other SQL.
  #deallocation (sql) {
    const found = DEALLOCATE.exec(sql)
    if (!found) return null
    const name = found[1] ?? found[2]
    const closed = name === undefined || (!found[1] && /^all$/i.test(name)) ? [...this.#statements.keys()] : [name]
    if (/^\s*discard/i.test(sql)) this.#watch('RESET ALL')
    return closed.filter(n => this.#statements.has(n)).map(n => {
      const known = this.#statements.get(n)
      this.#statements.delete(n)
      return closeStatement(known)
    })
  }

  async #receive (type, bytes) {
    if (type === 'X') return this.#socket.end()
    if (this.#copy) return this.#receiveCopy(type, bytes)
    if (this.#skipToSync) {
      if (type !== 'S') return
      this.#skipToSync = false
    }
    switch (type) {
      case 'Q': return this.#query(bytes)
      case 'P': return this.#parse(bytes)
      case 'B': { // Bind: the portal's name, the statement's name, the rest
        const portal = stringAt(bytes, 5)
        const statement = stringAt(bytes, portal.next)
        this.#batch.push(message('B', cString(portal.text), cString(this.#known(statement.text)), bytes.subarray(statement.next)))
        return
      }
      case 'D': case 'C': { // Describe or Close, of a statement or a portal
        const { text: name } = stringAt(bytes, 6)
        const isStatement = bytes[5] === 'S'.charCodeAt(0)
        this.#batch.push(isStatement ? message(type, Buffer.from('S'), cString(this.#known(name))) : bytes)
        if (isStatement && type === 'C') this.#statements.delete(name)
        return
      }
      case 'S': case 'H': // Sync, Flush
        if (type === 'H' && !this.#batch.length) return // do not take the backend for nothing
        this.#batch.push(bytes)
        return this.#flush()
      default:
        this.#batch.push(bytes)
    }
  }

  #known (name) { return this.#statements.get(name) ?? name }

  async #query (bytes) {
    const { text: sql } = stringAt(bytes, 5)
    if (COPY_IN.test(sql)) {
      // The backend wants a COPY in one piece: play its part until the client has sent everything.
      await this.#backend.acquire(this)
      this.#copy = [bytes]
      this.#write(message('G', Buffer.from([/\bbinary\b/i.test(sql) ? 1 : 0, 0, 0])))
      return
    }
    const closing = this.#deallocation(sql)
    if (closing) {
      await this.#backend.acquire(this)
      await this.#backend.send(Buffer.concat([...closing, SYNC]))
    } else this.#watch(sql)
    this.#batch.push(closing ? query(NOTHING) : bytes)
    return this.#flush()
  }

  async #receiveCopy (type, bytes) {
    if (type === 'S' || type === 'H') return // harmless while copying, says the protocol
    this.#copy.push(bytes)
    if (type !== 'c' && type !== 'f') return
    this.#batch.push(...this.#copy)
    this.#copy = null
    return this.#flush({ copied: true })
  }

  #parse (bytes) {
    const name = stringAt(bytes, 5)
    let { text: sql, next } = stringAt(bytes, name.next)
    if (COPY_IN.test(sql)) {
      this.#skipToSync = true
      this.#write(errorResponse('0A000', 'COPY FROM STDIN works here only as a simple query, without parameters'))
      return
    }
    const before = this.#deallocation(sql) ?? []
    if (DEALLOCATE.test(sql)) sql = NOTHING
    else this.#watch(sql)
    // The unnamed statement is replaced by the next one; named, it has to be closed.
    if (name.text === '' && this.#statements.has('')) before.push(closeStatement(this.#statements.get('')))
    this.#hiddenCloses += before.length
    if (name.text === '' || !this.#statements.has(name.text)) {
      this.#statements.set(name.text, `client${this.#id}_${this.#lastStatement++}`)
    }
    this.#batch.push(...before, message('P', cString(this.#statements.get(name.text)), cString(sql), bytes.subarray(next)))
  }

  async #flush ({ copied = false } = {}) {
    const batch = this.#batch.splice(0)
    await this.#backend.acquire(this)
    if (this.#status === 'I') await this.#backend.dress(this.#state())
    const replies = []
    for (let from = 0, to; from < batch.length; from = to) {
      to = copied ? batch.length : Math.min(from + PIECE, batch.length)
      while (to < batch.length && typeOf(batch[to - 1]) !== 'E') to++ // cut after an Execute only
      replies.push(await this.#backend.send(Buffer.concat(batch.slice(from, to))))
    }
    const { passed, status, undone } = this.#forClient(Buffer.concat(replies), copied)
    if (status === 'I') {
      if (undone) this.#settings = this.#committed
      this.#committed = this.#settings
      this.#backend.dressed(this.#state())
      await this.#restoreSession()
    }
    this.#write(passed) // after the repair: an answered client may hand its turn to another
    if (status) this.#status = status
    if (status === 'I') this.#backend.release(this)
  }

  // Sort out which parts of a reply the client asked for; the state of its transaction, if the reply says it; and whether
  // what went before was undone.
  #forClient (reply, copied) {
    const passed = []
    let status = null
    let undone = false
    for (const part of messages(reply)) {
      const type = typeOf(part)
      if (type === 'Z') status = String.fromCharCode(part[5])
      if (type === 'E' || (type === 'C' && stringAt(part, 5).text === 'ROLLBACK')) undone = true
      if (type === 'A') { // NOTIFY
        const { text: channel } = stringAt(part, 9)
        for (const client of clients) if (client.#channels.has(channel)) client.#write(part)
      } else if (type === '3' && this.#hiddenCloses > 0) this.#hiddenCloses--
      else if (type === 'G' && copied) continue // the client had it from us
      else if (type === 'N' && part.includes('SDEBUG')) continue // this build chatters
      else passed.push(part)
    }
    return { passed: Buffer.concat(passed), status, undone }
  }

  // Undo what a RESET ALL or UNLISTEN of this client did to the others.
  async #restoreSession () {
    if (this.#settingsLost) {
      this.#settingsLost = false
      await this.#backend.dress(this.#state(), { anew: true })
    }
    if (this.#listensLost) {
      this.#listensLost = false
      const channels = new Set([...clients].flatMap(client => [...client.#channels]))
      for (const channel of channels) await this.#backend.send(query(`LISTEN "${channel}"`))
    }
  }

  async #gone () {
    clients.delete(this)
    this.#backend.forget(this, new Error('the client has gone'))
    await this.#work
    await this.#backend.acquire(this).catch(() => {})
    if (!this.#backend.holds(this)) return // waited in vain; whoever holds the backend is stuck anyway
    try {
      await this.#backend.send(Buffer.concat([SYNC, query('ROLLBACK')]))
      await this.#backend.send(Buffer.concat([...[...this.#statements.values()].map(closeStatement), SYNC]))
      await this.#backend.send(query('DISCARD TEMP; SELECT pg_advisory_unlock_all(); UNLISTEN *'))
      this.#listensLost = true
      await this.#restoreSession()
    } finally { this.#backend.release(this) }
  }
}
