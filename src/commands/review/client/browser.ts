/** @file As much of a browser as the page of a review uses. */

export type Element = {
  value: string;
  textContent: string | null;
  className: string;
  hidden: boolean;
  open: boolean;
  scrollTop: number;
  clientHeight: number;
  title: string;
  style: { height: string; transform: string };
  focus(): void;
  blur(): void;
  append(...nodes: (Element | string)[]): void;
  replaceChildren(...nodes: (Element | string)[]): void;
  setAttribute(name: string, value: string): void;
  addEventListener(type: string, heard: (event: Event) => void): void;
  querySelectorAll(selector: string): Iterable<Element>;
  matches(selector: string): boolean;
};

export type Event = {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  target: Element;
  preventDefault(): void;
};

type Browser = {
  document: {
    activeElement: Element;
    createElement(tag: string): Element;
    createElementNS(space: string, tag: string): Element;
    getElementById(id: string): Element;
    addEventListener(type: string, heard: (event: Event) => void): void;
  };
  addEventListener(type: string, heard: (event: Event) => void): void;
  localStorage: { getItem(key: string): string | null; setItem(key: string, value: string): void };
};

const browser = globalThis as unknown as Browser;

export const { document, localStorage } = browser;

/** Ask before the page is left while `isOpen` says that something is being written. */
export const askBeforeLeaving = (isOpen: () => boolean): void =>
  browser.addEventListener("beforeunload", (event) => {
    if (isOpen()) event.preventDefault();
  });

/** The element of an id, which the page has. */
export const at = (id: string): Element => document.getElementById(id);

/** A new element; texts in it stay texts. */
export function make(tag: string, className: string, ...content: (Element | string)[]): Element {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}
