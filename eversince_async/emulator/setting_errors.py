"""The error for settings with which an emulator cannot start."""


class SettingRefused(ValueError):
    """An emulator cannot start with these settings.

    The message says what to change.
    """
