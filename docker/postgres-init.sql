-- Run once, when the Postgres volume is empty. The database `dagster` is made by the image itself.
CREATE DATABASE mlflow;
