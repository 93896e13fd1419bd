/** What runs, steps and models are called: they become folders, so "." and ".." are none. */
export const NAME = /^(?!\.+$)[\w.-]+$/;
