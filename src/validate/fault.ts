/** Why a schema cannot be used. Thrown inside the room while a schema is read, never past its door. */
export class SchemaFault extends Error {
  override readonly name = 'SchemaFault';
}
