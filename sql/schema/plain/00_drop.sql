-- Before the views that replace continuous aggregates are made anew.

DROP VIEW IF EXISTS chat_1s, chat_60s, chat_300s;
