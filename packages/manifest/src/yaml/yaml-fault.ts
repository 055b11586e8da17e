/** Why a document is not read, and where that is in the text. Does not leave this folder's readers: it becomes a problem of its document. */
export class YamlFault extends Error {
  /** Offset in the text. */
  readonly at: number;

  constructor(message: string, at: number) {
    super(message);
    this.at = at;
  }
}
