/** Why a document is not read, and where that is in the text. Does not leave this folder's readers: it becomes a problem of its document. */
export class YamlFault extends Error {
  /** Offset in the text. */
  readonly at: number;
  /** What to do about it; `undefined` if that goes without saying. */
  readonly remedy: string | undefined;

  constructor(message: string, at: number, remedy?: string) {
    super(message);
    this.at = at;
    this.remedy = remedy;
  }
}
