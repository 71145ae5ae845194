// PostgreSQL's wire protocol, version 3: bytes to messages and back. A message is one type byte, a length, a body.

export const cString = text => Buffer.from(text + '\0')

export function message (type, ...parts) {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(5)
  head[0] = type.charCodeAt(0)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

export const query = sql => message('Q', cString(sql))
export const SYNC = message('S')
export const closeStatement = name => message('C', Buffer.from('S'), cString(name))
export const typeOf = message => String.fromCharCode(message[0])

// The first whole message in the buffer, or null while it has not arrived.
export function firstMessage (buffer) {
  if (buffer.length < 5) return null
  const length = 1 + buffer.readInt32BE(1)
  return buffer.length < length ? null : buffer.subarray(0, length)
}

export function * messages (buffer) {
  for (let next = firstMessage(buffer); next; next = firstMessage(buffer)) {
    yield next
    buffer = buffer.subarray(next.length)
  }
}

// The C string that begins at `from`, and where the one after it begins.
export function stringAt (buffer, from) {
  const end = buffer.indexOf(0, from)
  return { text: buffer.toString('utf8', from, end), next: end + 1 }
}

export const errorResponse = (code, text) =>
  message('E', cString('SERROR'), cString('VERROR'), cString('C' + code), cString('M' + text), Buffer.from([0]))

// The text of the first error in a reply, or null.
export function errorIn (reply) {
  for (const part of messages(reply)) {
    if (typeOf(part) === 'E') return part.toString('utf8', 5).split('\0').find(field => field[0] === 'M').slice(1)
  }
  return null
}

// The columns, as text, of the first row in a reply.
export function firstRow (reply) {
  const row = [...messages(reply)].find(part => typeOf(part) === 'D')
  const columns = []
  for (let at = 7; at < row.length;) {
    const length = row.readInt32BE(at)
    columns.push(row.toString('utf8', at + 4, at + 4 + length))
    at += 4 + length
  }
  return columns
}

// What a client asks for before it speaks in messages: { length, request } or, for a real start, { length, parameters }.
export function startupPacket (buffer) {
  if (buffer.length < 8 || buffer.length < buffer.readInt32BE(0)) return null
  const length = buffer.readInt32BE(0)
  const code = buffer.readInt32BE(4)
  if (code === 80877103 || code === 80877104) return { length, request: 'encryption' }
  if (code === 80877102) return { length, request: 'cancel' }
  const fields = buffer.toString('utf8', 8, length).split('\0')
  const parameters = {}
  for (let i = 0; i + 1 < fields.length && fields[i]; i += 2) parameters[fields[i]] = fields[i + 1]
  return { length, parameters }
}
